// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {ERC20FlashMint} from "@openzeppelin/contracts/token/ERC20/extensions/ERC20FlashMint.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IERC4626} from "@openzeppelin/contracts/interfaces/IERC4626.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {MerkleProof} from "@openzeppelin/contracts/utils/cryptography/MerkleProof.sol";
import {Address} from "@openzeppelin/contracts/utils/Address.sol";
import {HeldBook} from "./HeldTokens.sol";

/// @title Sells a share for each ether, buys it back for as much, and thanks whoever brings buyers.
/// @notice WRITTEN FOR DRILLS. The flaw: whoever brings himself is thanked as well.
contract HeldThanks {
    uint256 private constant _THANKS_PERCENT = 5;

    mapping(address account => uint256 amount) public shares;

    event Bought(address indexed account, address indexed broughtBy, uint256 amount);

    receive() external payable {}

    /// @notice Buys; `broughtBy` gets a twentieth at once, out of what the makers put in.
    function buy(address broughtBy) external payable {
        shares[msg.sender] += msg.value;
        emit Bought(msg.sender, broughtBy, msg.value);
        if (broughtBy != address(0)) Address.sendValue(payable(broughtBy), msg.value * _THANKS_PERCENT / 100);
    }

    /// @notice Sells back.
    function sell(uint256 amount) external {
        shares[msg.sender] -= amount;
        Address.sendValue(payable(msg.sender), amount);
    }
}

/// @title Asked in the middle of a loan.
interface IHeldBorrower {
    /// @notice Here is what was lent.
    function borrowed() external payable;
}

/// @title Keeps ether for its depositors, and lends it for an instant.
/// @notice WRITTEN FOR DRILLS. The flaw: a deposit made in the middle of a loan pays the loan, and is a deposit.
contract HeldEtherDesk {
    mapping(address account => uint256 amount) public deposits;

    /// @notice Brings ether.
    function deposit() external payable {
        deposits[msg.sender] += msg.value;
    }

    /// @notice Takes it back.
    function withdraw(uint256 amount) external {
        deposits[msg.sender] -= amount;
        Address.sendValue(payable(msg.sender), amount);
    }

    /// @notice Lends. The flaw.
    function flashLoan(uint256 amount) external {
        uint256 before = address(this).balance;
        IHeldBorrower(msg.sender).borrowed{value: amount}();
        require(address(this).balance >= before, "not paid back");
    }
}

/// @title A place whose shares can be put into a booster.
interface IHeldPlace {
    /// @notice Sends rewards to the caller.
    function redeemRewards() external;
}

/// @title Puts stakes of many together, and passes on what their places pay.
/// @notice WRITTEN FOR DRILLS. The flaws: any place; what comes in while a place pays is a reward, whoever brings it.
contract HeldBooster {
    using SafeERC20 for IERC20;

    IERC20 public immutable token;
    mapping(IHeldPlace place => mapping(address account => uint256 amount)) public stakes;
    mapping(IHeldPlace place => address first) public only;
    mapping(IHeldPlace place => uint256 amount) public rewards;

    event Harvested(address indexed place, uint256 amount);

    constructor(IERC20 token_) {
        token = token_;
    }

    /// @notice Stakes in a place; the first one is thanked for opening it.
    function deposit(IHeldPlace place, uint256 amount) external {
        if (only[place] == address(0)) only[place] = msg.sender;
        token.safeTransferFrom(msg.sender, address(this), amount);
        stakes[place][msg.sender] += amount;
    }

    /// @notice Takes a stake back.
    function withdraw(IHeldPlace place, uint256 amount) external {
        stakes[place][msg.sender] -= amount;
        token.safeTransfer(msg.sender, amount);
    }

    /// @notice Collects what a place pays. The flaws.
    function harvest(IHeldPlace place) external {
        uint256 before = token.balanceOf(address(this));
        place.redeemRewards();
        uint256 gained = token.balanceOf(address(this)) - before;
        rewards[place] += gained;
        emit Harvested(address(place), gained);
    }

    /// @notice Pays rewards of a place to whoever opened it.
    function claim(IHeldPlace place) external {
        require(only[place] == msg.sender, "not yours");
        uint256 due = rewards[place];
        rewards[place] = 0;
        token.safeTransfer(msg.sender, due);
    }
}

/// @title A place that pays what its maker puts there.
/// @notice WRITTEN FOR DRILLS. Sound.
contract HeldPlace is IHeldPlace {
    using SafeERC20 for IERC20;

    IERC20 private immutable _token;

    constructor(IERC20 token) {
        _token = token;
    }

    /// @inheritdoc IHeldPlace
    function redeemRewards() external {
        _token.safeTransfer(msg.sender, _token.balanceOf(address(this)));
    }
}

/// @title A pool that keeps a price for each token, and moves both with each trade.
/// @notice WRITTEN FOR DRILLS. The flaw: a token sold for itself has its price moved down, and then up from where it was.
contract HeldPricedPool {
    using SafeERC20 for IERC20;

    mapping(IERC20 token => uint256 price) public prices;
    mapping(IERC20 token => uint256 amount) public held;

    event Traded(address indexed account, address sold, address bought, uint256 paid, uint256 out);

    /// @notice Brings a token, at a price where it has none.
    function add(IERC20 token, uint256 amount, uint256 price) external {
        token.safeTransferFrom(msg.sender, address(this), amount);
        if (prices[token] == 0) prices[token] = price;
        held[token] += amount;
    }

    /// @notice Sells `amount` of one token for another one.
    function swap(IERC20 sold, IERC20 bought, uint256 amount) external {
        (uint256 priceSold, uint256 priceBought) = (prices[sold], prices[bought]);
        uint256 out = amount * priceSold / priceBought;
        sold.safeTransferFrom(msg.sender, address(this), amount);
        uint256 nextSold = priceSold * held[sold] / (held[sold] + amount);
        uint256 nextBought = priceBought * (held[bought] + out) / held[bought];
        prices[sold] = nextSold;
        prices[bought] = nextBought;
        held[sold] += amount;
        held[bought] -= out;
        bought.safeTransfer(msg.sender, out);
        emit Traded(msg.sender, address(sold), address(bought), amount, out);
    }
}

/// @title Tokens for whoever is on a list; others may claim for him.
/// @notice WRITTEN FOR DRILLS. The flaw: it is the caller who has claimed then.
contract HeldLooseDrop {
    using SafeERC20 for IERC20;

    IERC20 public immutable token;
    bytes32 public immutable root;
    mapping(address account => bool done) public claimed;

    event Claimed(address indexed account, uint256 amount);

    constructor(IERC20 token_, bytes32 root_) {
        token = token_;
        root = root_;
    }

    /// @notice Pays `account` his part. The flaw.
    function claimFor(address account, uint256 amount, bytes32[] calldata proof) external {
        require(!claimed[msg.sender], "claimed");
        bytes32 leaf = keccak256(bytes.concat(keccak256(abi.encode(account, amount))));
        require(MerkleProof.verify(proof, root, leaf), "not listed");
        claimed[msg.sender] = true;
        token.safeTransfer(account, amount);
        emit Claimed(account, amount);
    }
}

/// @title A vault of shares.
/// @notice WRITTEN FOR DRILLS. The flaw: `withdrawFor` does not ask whether the owner agrees.
contract HeldOpenVault is ERC20 {
    using SafeERC20 for IERC20;

    IERC20 public immutable token;

    event Withdraw(address indexed sender, address indexed receiver, address indexed owner, uint256 assets, uint256 shares);

    constructor(IERC20 token_) ERC20("Held Open Vault", "hOPEN") {
        token = token_;
    }

    /// @notice A share for each token.
    function deposit(uint256 amount) external {
        token.safeTransferFrom(msg.sender, address(this), amount);
        _mint(msg.sender, amount);
    }

    /// @notice Pays `receiver` for shares of `owner`. The flaw.
    function withdrawFor(uint256 amount, address receiver, address owner) external {
        _burn(owner, amount);
        token.safeTransfer(receiver, amount);
        emit Withdraw(msg.sender, receiver, owner, amount, amount);
    }
}

/// @title A token of which a part is locked and comes free with time.
/// @notice WRITTEN FOR DRILLS. The flaw: what comes free is taken from what is locked without a look.
contract HeldTimeToken is HeldBook {
    mapping(address account => uint256 amount) public lockedOf;

    constructor(address holder, uint256 supply) HeldBook(holder, supply) {}

    /// @notice Locks some of the caller's.
    function lock(uint256 amount) external {
        _move(msg.sender, address(this), amount);
        lockedOf[msg.sender] += amount;
    }

    /// @notice Makes some of it free. The flaw.
    function free(uint256 amount) external {
        unchecked {
            lockedOf[msg.sender] -= amount;
            balanceOf[address(this)] -= amount;
            balanceOf[msg.sender] += amount;
        }
        emit Transfer(address(this), msg.sender, amount);
    }
}

/// @title Lends tokens on shares of vaults of the same token.
/// @notice WRITTEN FOR DRILLS. The flaw: it divides by the price first, and where a share is very dear nothing is left.
contract HeldInverseMarket {
    using SafeERC20 for IERC20;

    IERC20 public immutable token;
    mapping(IERC4626 vault => bool is_) public isListed;
    mapping(IERC4626 vault => mapping(address account => uint256 shares)) public collateral;
    mapping(IERC4626 vault => mapping(address account => uint256 amount)) public debt;
    mapping(address account => uint256 amount) public funded;
    address private immutable _lister;

    event Borrow(address indexed account, uint256 amount);

    constructor(IERC20 token_) {
        token = token_;
        _lister = msg.sender;
    }

    /// @notice One more vault.
    function list(IERC4626 vault) external {
        require(msg.sender == _lister, "not yours");
        isListed[vault] = true;
    }

    /// @notice Brings tokens to be lent.
    function fund(uint256 amount) external {
        token.safeTransferFrom(msg.sender, address(this), amount);
        funded[msg.sender] += amount;
    }

    /// @notice Takes them back.
    function defund(uint256 amount) external {
        funded[msg.sender] -= amount;
        token.safeTransfer(msg.sender, amount);
    }

    /// @notice Brings shares.
    function supply(IERC4626 vault, uint256 shares) external {
        require(isListed[vault], "not listed");
        IERC20(address(vault)).safeTransferFrom(msg.sender, address(this), shares);
        collateral[vault][msg.sender] += shares;
    }

    /// @notice Borrows on them. The flaw.
    function borrow(IERC4626 vault, uint256 amount) external {
        debt[vault][msg.sender] += amount;
        uint256 sharesPerToken = 1e36 / vault.convertToAssets(1e18);
        uint256 needed = debt[vault][msg.sender] * sharesPerToken / 1e18;
        require(needed <= collateral[vault][msg.sender] * 3 / 4, "not healthy");
        token.safeTransfer(msg.sender, amount);
        emit Borrow(msg.sender, amount);
    }

    /// @notice Pays back.
    function repay(IERC4626 vault, uint256 amount) external {
        token.safeTransferFrom(msg.sender, address(this), amount);
        debt[vault][msg.sender] -= amount;
    }
}

/// @title A dollar that lends itself for an instant, and is redeemed at par.
/// @notice WRITTEN FOR DRILLS. Sound.
contract HeldDollar is ERC20FlashMint {
    using SafeERC20 for IERC20;

    IERC20 public immutable reserve;

    constructor(IERC20 reserve_) ERC20("Held Dollar", "hUSD") {
        reserve = reserve_;
    }

    /// @notice A dollar for each token.
    function issue(uint256 amount) external {
        reserve.safeTransferFrom(msg.sender, address(this), amount);
        _mint(msg.sender, amount);
    }

    /// @notice And back.
    function redeem(uint256 amount) external {
        _burn(msg.sender, amount);
        reserve.safeTransfer(msg.sender, amount);
    }
}
