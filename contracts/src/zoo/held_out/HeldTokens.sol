// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {HeldPair} from "./HeldPair.sol";

/// @title The plain bookkeeping that the flawed tokens share.
abstract contract HeldBook {
    string public constant symbol = "hTOKEN";
    uint8 public constant decimals = 18;

    uint256 public totalSupply;
    mapping(address account => uint256 amount) public balanceOf;
    mapping(address account => mapping(address spender => uint256 amount)) public allowance;

    event Transfer(address indexed from, address indexed to, uint256 value);
    event Approval(address indexed owner, address indexed spender, uint256 value);

    constructor(address holder, uint256 supply) {
        totalSupply = supply;
        balanceOf[holder] = supply;
        emit Transfer(address(0), holder, supply);
    }

    /// @notice As ERC-20.
    function transfer(address to, uint256 amount) external returns (bool) {
        _move(msg.sender, to, amount);
        return true;
    }

    /// @notice As ERC-20.
    function approve(address spender, uint256 amount) external returns (bool) {
        allowance[msg.sender][spender] = amount;
        emit Approval(msg.sender, spender, amount);
        return true;
    }

    /// @notice As ERC-20.
    function transferFrom(address from, address to, uint256 amount) external virtual returns (bool) {
        if (allowance[from][msg.sender] != type(uint256).max) allowance[from][msg.sender] -= amount;
        _move(from, to, amount);
        return true;
    }

    /// @dev Effects: two balances, one event.
    function _move(address from, address to, uint256 amount) internal virtual {
        balanceOf[from] -= amount;
        balanceOf[to] += amount;
        emit Transfer(from, to, amount);
    }
}

/// @title A token in which whoever pays himself has twice as much.
/// @notice WRITTEN FOR DRILLS. The flaw: both balances are read before either is written.
contract HeldEchoToken is HeldBook {
    constructor(address holder, uint256 supply) HeldBook(holder, supply) {}

    function _move(address from, address to, uint256 amount) internal override {
        uint256 less = balanceOf[from] - amount;
        uint256 more = balanceOf[to] + amount;
        balanceOf[from] = less;
        balanceOf[to] = more;
        emit Transfer(from, to, amount);
    }
}

/// @title Shares of a pot of another token; each may redeem his own.
/// @notice WRITTEN FOR DRILLS. The flaw: `transferFrom` looks at what the caller allowed the receiver.
contract HeldPotToken is HeldBook {
    using SafeERC20 for IERC20;

    IERC20 public immutable asset;

    constructor(IERC20 asset_) HeldBook(msg.sender, 0) {
        asset = asset_;
    }

    /// @notice One share for each token.
    function join(uint256 amount) external {
        asset.safeTransferFrom(msg.sender, address(this), amount);
        totalSupply += amount;
        balanceOf[msg.sender] += amount;
        emit Transfer(address(0), msg.sender, amount);
    }

    /// @notice And back.
    function redeem(uint256 amount) external {
        balanceOf[msg.sender] -= amount;
        totalSupply -= amount;
        emit Transfer(msg.sender, address(0), amount);
        asset.safeTransfer(msg.sender, amount);
    }

    /// @notice The flaw.
    function transferFrom(address from, address to, uint256 amount) external override returns (bool) {
        _move(from, to, amount);
        allowance[msg.sender][to] -= amount;
        return true;
    }
}

/// @title A token that takes five per cent of each trade with its pair, keeps it, and makes itself scarce.
/// @notice WRITTEN FOR DRILLS. The flaws: a sale burns half as much out of the pair and tells it at once, although
/// tokens that come in may be skimmed out again; `reward` gives the pair what was kept without telling it.
contract HeldTaxToken is HeldBook {
    uint256 private constant _TAX_BPS = 500;

    address private immutable _owner;
    HeldPair public pair;
    bool public scarce;

    constructor(address holder, uint256 supply) HeldBook(holder, supply) {
        _owner = msg.sender;
    }

    /// @notice Where it is traded, and whether sales burn.
    function launch(HeldPair pair_, bool scarce_) external {
        require(msg.sender == _owner, "not yours");
        pair = pair_;
        scarce = scarce_;
    }

    /// @notice Meant for those who provide liquidity. The flaws: anybody, and the pair is not told.
    function reward() external {
        _put(address(this), address(pair), balanceOf[address(this)]);
    }

    function _move(address from, address to, uint256 amount) internal override {
        bool traded = address(pair) != address(0) && (from == address(pair) || to == address(pair));
        uint256 tax = traded ? amount * _TAX_BPS / 10_000 : 0;
        if (tax > 0) _put(from, address(this), tax);
        if (to == address(pair) && scarce && balanceOf[to] > 0) {
            uint256 burnt = amount / 2 < balanceOf[to] / 2 ? amount / 2 : balanceOf[to] / 2;
            balanceOf[to] -= burnt;
            totalSupply -= burnt;
            emit Transfer(to, address(0), burnt);
            pair.sync();
        }
        _put(from, to, amount - tax);
    }

    /// @dev Effects: two balances, one event.
    function _put(address from, address to, uint256 amount) internal {
        balanceOf[from] -= amount;
        balanceOf[to] += amount;
        emit Transfer(from, to, amount);
    }
}

/// @title Asked when tokens come in.
interface IHeldReceiver {
    /// @notice `amount` came in from `from`.
    function tokensReceived(address from, uint256 amount) external;
}

/// @title A token that tells whoever wants to be told, as ERC-777 does.
/// @notice WRITTEN FOR DRILLS. Sound; others forget that it calls.
contract HeldHookToken is ERC20 {
    mapping(address account => bool wants) public told;

    constructor(address holder, uint256 supply) ERC20("Held Hook Token", "hHOOK") {
        _mint(holder, supply);
    }

    /// @notice The caller wants to be told.
    function tellMe() external {
        told[msg.sender] = true;
    }

    function _update(address from, address to, uint256 amount) internal override {
        super._update(from, to, amount);
        if (told[to]) IHeldReceiver(to).tokensReceived(from, amount);
    }
}

/// @title A token whose balances all grow or shrink when its keeper says so.
/// @notice WRITTEN FOR DRILLS. Sound.
contract HeldRebaseToken {
    string public constant symbol = "hREBASE";
    uint8 public constant decimals = 18;

    address private immutable _keeper;
    uint256 public index = 1e18;
    uint256 private _parts;
    mapping(address account => uint256 parts) private _partsOf;
    mapping(address account => mapping(address spender => uint256 amount)) public allowance;

    event Transfer(address indexed from, address indexed to, uint256 value);
    event Approval(address indexed owner, address indexed spender, uint256 value);
    event Rebased(uint256 index);

    constructor(address holder, uint256 supply, address keeper) {
        _keeper = keeper;
        _parts = supply;
        _partsOf[holder] = supply;
        emit Transfer(address(0), holder, supply);
    }

    /// @notice Everybody now has `index_` for each part.
    function rebase(uint256 index_) external {
        require(msg.sender == _keeper, "not the keeper");
        index = index_;
        emit Rebased(index_);
    }

    /// @notice As ERC-20.
    function totalSupply() external view returns (uint256) {
        return _parts * index / 1e18;
    }

    /// @notice As ERC-20.
    function balanceOf(address account) external view returns (uint256) {
        return _partsOf[account] * index / 1e18;
    }

    /// @notice As ERC-20.
    function approve(address spender, uint256 amount) external returns (bool) {
        allowance[msg.sender][spender] = amount;
        emit Approval(msg.sender, spender, amount);
        return true;
    }

    /// @notice As ERC-20.
    function transfer(address to, uint256 amount) external returns (bool) {
        _move(msg.sender, to, amount);
        return true;
    }

    /// @notice As ERC-20.
    function transferFrom(address from, address to, uint256 amount) external returns (bool) {
        if (allowance[from][msg.sender] != type(uint256).max) allowance[from][msg.sender] -= amount;
        _move(from, to, amount);
        return true;
    }

    /// @dev Effects: two balances, one event.
    function _move(address from, address to, uint256 amount) internal {
        uint256 parts = amount * 1e18 / index;
        _partsOf[from] -= parts;
        _partsOf[to] += parts;
        emit Transfer(from, to, amount);
    }
}
