// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {HeldPair} from "./HeldPair.sol";

/// @title Says what collateral is worth, in debt tokens times 1e18.
interface IHeldPrice {
    /// @notice At this instant.
    function price() external view returns (uint256);
}

/// @title The price of a pair's share.
/// @notice WRITTEN FOR DRILLS. The flaw: twice the reserve of this instant.
contract HeldShareOfPairPrice is IHeldPrice {
    HeldPair private immutable _pair;

    constructor(HeldPair pair) {
        _pair = pair;
    }

    /// @inheritdoc IHeldPrice
    function price() external view returns (uint256) {
        (, uint256 reserve1,) = _pair.getReserves();
        return 2 * reserve1 * 1e18 / _pair.totalSupply();
    }
}

/// @title A pair's price, averaged.
/// @notice WRITTEN FOR DRILLS. The flaw: over as little as the last two blocks, because anybody moves the window.
contract HeldShortAverage is IHeldPrice {
    HeldPair private immutable _pair;
    uint256 private _sum;
    uint256 private _time;
    uint256 private _average;

    constructor(HeldPair pair) {
        _pair = pair;
        (,, uint32 since) = pair.getReserves();
        (_sum, _time) = (pair.price0CumulativeLast(), since);
    }

    /// @notice The window ends, and another begins. Of no less than twelve seconds.
    function update() external {
        _pair.sync();
        (uint256 sum,) = (_pair.price0CumulativeLast(), 0);
        require(block.timestamp >= _time + 12, "too early");
        _average = (sum - _sum) / (block.timestamp - _time);
        (_sum, _time) = (sum, block.timestamp);
    }

    /// @inheritdoc IHeldPrice
    function price() external view returns (uint256) {
        return _average;
    }
}

/// @title A price that a keeper sets.
/// @notice WRITTEN FOR DRILLS. Sound.
contract HeldKeptPrice is IHeldPrice {
    address private immutable _keeper;
    uint256 public price;

    event AnswerUpdated(int256 indexed current, uint256 indexed roundId, uint256 updatedAt);

    constructor(address keeper, uint256 price_) {
        _keeper = keeper;
        price = price_;
    }

    /// @notice The keeper says a price.
    function push(uint256 price_) external {
        require(msg.sender == _keeper, "not the keeper");
        price = price_;
        emit AnswerUpdated(int256(price_), block.number, block.timestamp);
    }
}

/// @title Lends one token against another.
/// @notice WRITTEN FOR DRILLS. Sound with plain tokens, a true price, and `liquidate`. The flaws: `supply` books what was
/// said and not what came; `borrow` pays before it books; `liquidateAll` does not look whether the account is healthy.
contract HeldMarket {
    using SafeERC20 for IERC20;

    IERC20 public immutable collateralToken;
    IERC20 public immutable debtToken;
    IHeldPrice public immutable feed;
    mapping(address account => uint256 amount) public funded;
    mapping(address account => uint256 amount) public collateral;
    mapping(address account => uint256 amount) public debt;

    event Supply(address indexed account, uint256 amount);
    event Borrow(address indexed account, uint256 amount);
    event Repay(address indexed account, uint256 amount);
    event LiquidationCall(address indexed account, address indexed liquidator, uint256 repaid, uint256 seized);

    constructor(IERC20 collateralToken_, IERC20 debtToken_, IHeldPrice feed_) {
        collateralToken = collateralToken_;
        debtToken = debtToken_;
        feed = feed_;
    }

    /// @notice Brings tokens to be lent.
    function fund(uint256 amount) external {
        debtToken.safeTransferFrom(msg.sender, address(this), amount);
        funded[msg.sender] += amount;
    }

    /// @notice And takes them back.
    function defund(uint256 amount) external {
        funded[msg.sender] -= amount;
        debtToken.safeTransfer(msg.sender, amount);
    }

    /// @notice Brings collateral. The flaw: with a token that takes a fee.
    function supply(uint256 amount) external {
        collateralToken.safeTransferFrom(msg.sender, address(this), amount);
        collateral[msg.sender] += amount;
        emit Supply(msg.sender, amount);
    }

    /// @notice Takes collateral back, as much as is free.
    function withdraw(uint256 amount) external {
        collateral[msg.sender] -= amount;
        require(healthy(msg.sender), "not healthy");
        collateralToken.safeTransfer(msg.sender, amount);
    }

    /// @notice Borrows. The flaw: with a token that calls its receiver.
    function borrow(uint256 amount) external {
        uint256 owed = debt[msg.sender] + amount;
        require(owed <= limit(msg.sender), "not healthy");
        debtToken.safeTransfer(msg.sender, amount);
        debt[msg.sender] = owed;
        emit Borrow(msg.sender, amount);
    }

    /// @notice Pays the debt of `account` back.
    function repay(uint256 amount, address account) external {
        debtToken.safeTransferFrom(msg.sender, address(this), amount);
        debt[account] -= amount;
        emit Repay(account, amount);
    }

    /// @notice Pays for an account that is not healthy any more, and gets a tenth more in collateral.
    function liquidate(address account, uint256 amount) external {
        require(!healthy(account), "healthy");
        _liquidate(account, amount, 110);
    }

    /// @notice The same for all of a debt and half more, once meant for accounts that nobody else wants. The flaw: any.
    function liquidateAll(address account) external {
        _liquidate(account, debt[account], 150);
    }

    /// @notice Whether the debt is within three quarters of the collateral's worth.
    function healthy(address account) public view returns (bool) {
        return debt[account] == 0 || debt[account] <= limit(account);
    }

    /// @notice What `account` may owe.
    function limit(address account) public view returns (uint256) {
        return collateral[account] * feed.price() / 1e18 * 3 / 4;
    }

    /// @dev Effects: one debt, two balances of tokens.
    function _liquidate(address account, uint256 amount, uint256 percent) internal {
        uint256 seized = amount * 1e18 / feed.price() * percent / 100;
        if (seized > collateral[account]) seized = collateral[account];
        debtToken.safeTransferFrom(msg.sender, address(this), amount);
        debt[account] -= amount;
        collateral[account] -= seized;
        collateralToken.safeTransfer(msg.sender, seized);
        emit LiquidationCall(account, msg.sender, amount, seized);
    }
}

/// @title One asset lent against itself, many times over, for those who farm what comes of it.
/// @notice WRITTEN FOR DRILLS. The flaw: `donate` does not look whether the giver is still healthy, and a liquidator
/// takes over debt at a discount that grows with the hole.
contract HeldSelfMarket {
    using SafeERC20 for IERC20;

    IERC20 public immutable token;
    mapping(address account => uint256 amount) public assets;
    mapping(address account => uint256 amount) public debts;
    uint256 public reserves;

    event Liquidation(address indexed liquidator, address indexed violator, uint256 debt, uint256 yield);

    constructor(IERC20 token_) {
        token = token_;
    }

    /// @notice Brings tokens.
    function deposit(uint256 amount) external {
        token.safeTransferFrom(msg.sender, address(this), amount);
        assets[msg.sender] += amount;
    }

    /// @notice Takes tokens back.
    function withdraw(uint256 amount) external {
        assets[msg.sender] -= amount;
        _check(msg.sender);
        token.safeTransfer(msg.sender, amount);
    }

    /// @notice Makes as much of assets as of debt.
    function mint(uint256 amount) external {
        assets[msg.sender] += amount;
        debts[msg.sender] += amount;
        _check(msg.sender);
    }

    /// @notice Lends tokens out.
    function borrow(uint256 amount) external {
        debts[msg.sender] += amount;
        _check(msg.sender);
        token.safeTransfer(msg.sender, amount);
    }

    /// @notice Pays debt back.
    function repay(uint256 amount) external {
        token.safeTransferFrom(msg.sender, address(this), amount);
        debts[msg.sender] -= amount;
    }

    /// @notice Gives assets to the reserves. The flaw.
    function donate(uint256 amount) external {
        assets[msg.sender] -= amount;
        reserves += amount;
    }

    /// @notice Takes over all assets of an unhealthy account, and four fifths of as much debt.
    function liquidate(address violator) external {
        require(debts[violator] > limit(violator), "healthy");
        uint256 yield_ = assets[violator];
        uint256 debt = yield_ * 4 / 5;
        assets[violator] = 0;
        debts[violator] -= debt;
        assets[msg.sender] += yield_;
        debts[msg.sender] += debt;
        _check(msg.sender);
        emit Liquidation(msg.sender, violator, debt, yield_);
    }

    /// @notice What `account` may owe.
    function limit(address account) public view returns (uint256) {
        return assets[account] * 95 / 100;
    }

    /// @dev Reverts for an account that owes too much.
    function _check(address account) internal view {
        require(debts[account] <= limit(account), "not healthy");
    }
}
