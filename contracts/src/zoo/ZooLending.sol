// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IERC4626} from "@openzeppelin/contracts/interfaces/IERC4626.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";

/// @title Where a market reads what collateral is worth.
interface IZooPrice {
    /// @notice Loan tokens per collateral token, times 1e18.
    function price() external view returns (uint256);
}

/// @title A price that one keeper pushes.
/// @notice WRITTEN FOR DRILLS. The flaw: nobody asks how old the price is, nor how far it jumped.
contract ZooFeed is IZooPrice {
    address public immutable keeper;
    uint256 public price;
    uint256 public updatedAt;

    /// @notice The price became `price`.
    event ZooFeedUpdated(uint256 price, uint256 updatedAt);

    /// @notice `caller` is not the keeper.
    error ZooFeedNotKeeper(address caller);

    constructor(address keeper_, uint256 price_) {
        keeper = keeper_;
        price = price_;
        updatedAt = block.timestamp;
    }

    /// @notice Sets the price.
    function push(uint256 price_) external {
        if (msg.sender != keeper) revert ZooFeedNotKeeper(msg.sender);
        price = price_;
        updatedAt = block.timestamp;
        emit ZooFeedUpdated(price_, block.timestamp);
    }
}

/// @title What a vault's share is worth by the vault's own word.
/// @notice WRITTEN FOR DRILLS. The flaw: a donation to the vault moves it.
contract ZooShareFeed is IZooPrice {
    IERC4626 private immutable _vault;

    constructor(IERC4626 vault) {
        _vault = vault;
    }

    /// @notice Assets per share, times 1e18.
    function price() external view returns (uint256) {
        return _vault.convertToAssets(1e18);
    }
}

/// @title Lends one token against another.
/// @notice WRITTEN FOR DRILLS. Sound if its price is; the flaws: `evacuate` forgets to ask whether the debt is still
/// covered, and `lever` believes what its caller says of his leverage.
contract ZooLending {
    using SafeERC20 for IERC20;

    uint256 private constant _LOAN_TO_VALUE_BPS = 7_500;
    uint256 private constant _BONUS_BPS = 500;
    uint256 private constant _WHOLE_BPS = 10_000;

    IERC20 public immutable collateralToken;
    IERC20 public immutable loanToken;
    IZooPrice public immutable source;

    mapping(address account => uint256 amount) public supplied;
    mapping(address account => uint256 amount) public collateral;
    mapping(address account => uint256 amount) public debt;

    /// @notice A lender's balance became `supplied`.
    event ZooLendingSupply(address indexed account, uint256 supplied);

    /// @notice A borrower's position became this.
    event ZooLendingPosition(address indexed account, uint256 collateral, uint256 debt);

    /// @notice `debt` is more than the `limit` of `account`.
    error ZooLendingNotCovered(address account, uint256 debt, uint256 limit);

    /// @notice `account` covers its debt.
    error ZooLendingCovered(address account);

    constructor(IERC20 collateralToken_, IERC20 loanToken_, IZooPrice source_) {
        collateralToken = collateralToken_;
        loanToken = loanToken_;
        source = source_;
    }

    /// @notice Lends `amount` to the market.
    function supply(uint256 amount) external {
        loanToken.safeTransferFrom(msg.sender, address(this), amount);
        supplied[msg.sender] += amount;
        emit ZooLendingSupply(msg.sender, supplied[msg.sender]);
    }

    /// @notice Takes back `amount` of what was lent, to `to`.
    function withdraw(uint256 amount, address to) external {
        supplied[msg.sender] -= amount;
        emit ZooLendingSupply(msg.sender, supplied[msg.sender]);
        loanToken.safeTransfer(to, amount);
    }

    /// @notice Leaves collateral for `account`.
    function deposit(uint256 amount, address account) external {
        collateralToken.safeTransferFrom(msg.sender, address(this), amount);
        _set(account, collateral[account] + amount, debt[account]);
    }

    /// @notice Takes back collateral as far as the debt allows.
    function release(uint256 amount) external {
        _set(msg.sender, collateral[msg.sender] - amount, debt[msg.sender]);
        _requireCovered(msg.sender);
        collateralToken.safeTransfer(msg.sender, amount);
    }

    /// @notice Borrows as far as the collateral allows.
    function borrow(uint256 amount) external {
        _set(msg.sender, collateral[msg.sender], debt[msg.sender] + amount);
        _requireCovered(msg.sender);
        loanToken.safeTransfer(msg.sender, amount);
    }

    /// @notice Pays back `amount` of the debt of `account`.
    function repay(uint256 amount, address account) external {
        loanToken.safeTransferFrom(msg.sender, address(this), amount);
        _set(account, collateral[account], debt[account] - amount);
    }

    /// @notice Pays `amount` of an uncovered debt and takes its worth of collateral and a bonus.
    function liquidate(address account, uint256 amount) external {
        if (debt[account] <= limitOf(account)) revert ZooLendingCovered(account);
        uint256 worth = Math.mulDiv(amount, 1e18, source.price());
        uint256 seized = Math.min(worth + worth * _BONUS_BPS / _WHOLE_BPS, collateral[account]);
        loanToken.safeTransferFrom(msg.sender, address(this), amount);
        _set(account, collateral[account] - seized, debt[account] - amount);
        collateralToken.safeTransfer(msg.sender, seized);
    }

    /// @notice Meant for emergencies: sends collateral to `to`. The flaw: debt may be left that nothing covers.
    function evacuate(uint256 amount, address to) external {
        _set(msg.sender, collateral[msg.sender] - amount, debt[msg.sender]);
        collateralToken.safeTransfer(to, amount);
    }

    /// @notice Borrows up to `leverage` times the collateral's worth and sends it to `venue` to be invested there.
    /// The flaw: any leverage, and any venue.
    function lever(uint256 amount, uint256 leverage, address venue) external {
        uint256 worth = Math.mulDiv(collateral[msg.sender], source.price(), 1e18);
        uint256 limit = worth * leverage;
        _set(msg.sender, collateral[msg.sender], debt[msg.sender] + amount);
        if (debt[msg.sender] > limit) revert ZooLendingNotCovered(msg.sender, debt[msg.sender], limit);
        loanToken.safeTransfer(venue, amount);
    }

    /// @notice What `account` may owe, rounded down.
    function limitOf(address account) public view returns (uint256) {
        return Math.mulDiv(collateral[account], source.price(), 1e18) * _LOAN_TO_VALUE_BPS / _WHOLE_BPS;
    }

    /// @dev Effects: one position, one event.
    function _set(address account, uint256 collateral_, uint256 debt_) internal {
        collateral[account] = collateral_;
        debt[account] = debt_;
        emit ZooLendingPosition(account, collateral_, debt_);
    }

    /// @dev Reverts when `account` owes more than it may.
    function _requireCovered(address account) internal view {
        if (debt[account] > limitOf(account)) {
            revert ZooLendingNotCovered(account, debt[account], limitOf(account));
        }
    }
}

/// @title Lends ether against a token.
/// @notice WRITTEN FOR DRILLS. The flaw: `borrow` pays before it writes the debt, and `release` asks for the debt.
contract ZooEtherLending {
    using SafeERC20 for IERC20;

    IERC20 public immutable collateralToken;
    mapping(address account => uint256 amount) public supplied;
    mapping(address account => uint256 amount) public collateral;
    mapping(address account => uint256 amount) public debt;

    /// @notice `debt` is more than half of `collateral`.
    error ZooEtherLendingNotCovered(uint256 debt, uint256 collateral);

    constructor(IERC20 collateralToken_) {
        collateralToken = collateralToken_;
    }

    /// @notice Lends ether to the market.
    function supply() external payable {
        supplied[msg.sender] += msg.value;
    }

    /// @notice Leaves collateral.
    function deposit(uint256 amount) external {
        collateralToken.safeTransferFrom(msg.sender, address(this), amount);
        collateral[msg.sender] += amount;
    }

    /// @notice Borrows up to half the collateral, one taken for the other.
    function borrow(uint256 amount) external {
        _requireCovered(debt[msg.sender] + amount, collateral[msg.sender]);
        (bool paid,) = msg.sender.call{value: amount}("");
        require(paid, "not paid");
        debt[msg.sender] += amount;
    }

    /// @notice Pays back.
    function repay() external payable {
        debt[msg.sender] -= msg.value;
    }

    /// @notice Takes back collateral.
    function release(uint256 amount) external {
        collateral[msg.sender] -= amount;
        _requireCovered(debt[msg.sender], collateral[msg.sender]);
        collateralToken.safeTransfer(msg.sender, amount);
    }

    /// @dev Reverts when the debt is more than half.
    function _requireCovered(uint256 debt_, uint256 collateral_) internal pure {
        if (debt_ * 2 > collateral_) revert ZooEtherLendingNotCovered(debt_, collateral_);
    }
}

/// @title A market whose shares are a part of its cash, lent against by a comptroller that believes that part.
/// @notice WRITTEN FOR DRILLS. The flaws: a donation to an empty market makes one share worth anything, and `redeem`
/// rounds the shares that it burns down.
contract ZooShareMarket {
    using SafeERC20 for IERC20;

    IERC20 public immutable collateralToken;
    IERC20 public immutable loanToken;
    mapping(address account => uint256 amount) public shares;
    mapping(address account => uint256 amount) public debt;
    uint256 public totalShares;

    /// @notice `debt` is more than `limit`.
    error ZooShareMarketNotCovered(uint256 debt, uint256 limit);

    constructor(IERC20 collateralToken_, IERC20 loanToken_) {
        collateralToken = collateralToken_;
        loanToken = loanToken_;
    }

    /// @notice Gives shares for `amount`.
    function mint(uint256 amount) external {
        uint256 cash = collateralToken.balanceOf(address(this));
        uint256 given = totalShares == 0 ? amount : Math.mulDiv(amount, totalShares, cash);
        collateralToken.safeTransferFrom(msg.sender, address(this), amount);
        shares[msg.sender] += given;
        totalShares += given;
    }

    /// @notice Pays out exactly `amount` and burns its shares, rounded down.
    function redeem(uint256 amount) external {
        uint256 burnt = Math.mulDiv(amount, totalShares, collateralToken.balanceOf(address(this)));
        shares[msg.sender] -= burnt;
        totalShares -= burnt;
        _requireCovered();
        collateralToken.safeTransfer(msg.sender, amount);
    }

    /// @notice Borrows up to half of what the shares are worth.
    function borrow(uint256 amount) external {
        debt[msg.sender] += amount;
        _requireCovered();
        loanToken.safeTransfer(msg.sender, amount);
    }

    /// @dev Reverts when the caller owes more than half of what his shares are worth.
    function _requireCovered() internal view {
        uint256 worth = totalShares == 0
            ? 0
            : Math.mulDiv(shares[msg.sender], collateralToken.balanceOf(address(this)), totalShares);
        if (debt[msg.sender] * 2 > worth) revert ZooShareMarketNotCovered(debt[msg.sender], worth / 2);
    }
}
